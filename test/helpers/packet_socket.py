"""A packet socket that hears what a device receives, each frame as it was on the wire."""

import socket
import struct

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
LARGEST_FRAME = 1 << 17


def listen(device):
    """Frames that this host sends itself are not heard."""
    peer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    peer.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    peer.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    peer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    # Only now does anything arrive, so nothing came in before the options were set.
    peer.bind((device, ETH_P_ALL))
    return peer


def receive(peer):
    frame, ancillary, _, _ = peer.recvmsg(LARGEST_FRAME, 256)
    return with_vlan_tag(frame, ancillary)


def with_vlan_tag(frame, ancillary):
    """The kernel takes the outer tag off before it shows a frame; this puts it back."""
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
    return frame
