/** What this host lets us do, found by trying it, with a reason and a remedy where it does not. */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { LaboratoryError } from './error.js'
import { tryRun } from './lab-process.js'

export interface Capability {
  available: boolean
  /** Why not; '' when available. */
  reason: string
  /** What to do about it; '' when available. */
  remedy: string
}

export interface HostCapabilities {
  root: Capability
  /** A plain user may become root of a user namespace, as `ensurePrivileges()` does. */
  userNamespaces: Capability
  /** This process may make named network namespaces: laboratories can be laid. */
  netns: Capability
  /** AF_PACKET sockets: the `packet` port. */
  afPacket: Capability
  /** AF_XDP sockets, and programs for them: the `xdp` port. */
  afXdp: Capability
  /** /dev/net/tun: the `tap` port. */
  tun: Capability
}

const AVAILABLE: Capability = { available: true, reason: '', remedy: '' }

const REMEDIES = {
  root: 'Run as root, or let Sluice enter a user namespace.',
  userNamespaces:
    'Run as root, or allow it: sysctl kernel.apparmor_restrict_unprivileged_userns=0 ' +
    '(Ubuntu), sysctl user.max_user_namespaces=10000, or a container with its seccomp filter off.',
  netns:
    'Run as root, or where user namespaces are allowed inside `unshare -Urnm`; ' +
    'a container needs --cap-add SYS_ADMIN --cap-add NET_ADMIN.',
  afPacket: 'Run as root or with CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW).',
  afXdp:
    'Take a kernel with CONFIG_XDP_SOCKETS and run as root outside of any user namespace, or with ' +
    'CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW. Until then use packet ports.',
  tun:
    'Load the module tun, or give the device: mknod /dev/net/tun c 10 200; chmod 0666 /dev/net/tun. ' +
    'Until then use packet ports.',
}

/** Numbers of capabilities' bits in CapEff (capabilities(7)). */
const CAP_NET_RAW = 13n
const CAP_BPF = 39n

export async function capabilities(): Promise<HostCapabilities> {
  const [userNamespaces, netns, tap] = await Promise.all([
    attempt(['unshare', '-Urnm', 'true'], REMEDIES.userNamespaces),
    attempt(['unshare', '-nm', 'sh', '-c', NAMING], REMEDIES.netns),
    tun(),
  ])
  return {
    root: root(),
    userNamespaces,
    netns,
    afPacket: rawSockets(),
    afXdp: xdpSockets(),
    tun: tap,
  }
}

/** What `ip netns add` needs beside a network namespace: a place for names, and mounts. */
const NAMING = 'mount --make-rslave / && { [ -w /run/netns ] || [ ! -e /run/netns -a -w /run ]; }'

/** Turns a command's failure into the reason that the host gives for it, where that is it. */
export async function explainRefusal(error: LaboratoryError): Promise<LaboratoryError> {
  if (error.code !== 'ERR_SLUICE_LAB_COMMAND') return error
  const { netns } = await capabilities()
  if (netns.available) return error
  return new LaboratoryError(
    'ERR_SLUICE_LAB_PRIVILEGE',
    `network namespaces cannot be made: ${netns.reason}`,
    netns.remedy,
    { cause: error },
  )
}

function root(): Capability {
  if (process.geteuid?.() === 0) return AVAILABLE
  return refused(`the effective user is ${process.geteuid?.()}`, REMEDIES.root)
}

async function attempt(command: [string, ...string[]], remedy: string): Promise<Capability> {
  try {
    const { code, stderr } = await tryRun(command)
    return code === 0 ? AVAILABLE : refused(stderr.trim() || `exit code ${code}`, remedy)
  } catch (error) {
    return refused(`${command[0]} cannot be started: ${(error as Error).message}`, remedy)
  }
}

function has(capability: bigint): boolean {
  const status = readFileSync('/proc/self/status', 'utf8')
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return ((effective >> capability) & 1n) === 1n
}

function rawSockets(): Capability {
  if (has(CAP_NET_RAW)) return AVAILABLE
  return refused('the process has no CAP_NET_RAW', REMEDIES.afPacket)
}

function xdpSockets(): Capability {
  if (!/^XDP\s/m.test(readFileSync('/proc/net/protocols', 'utf8'))) {
    return refused('the kernel has no AF_XDP', REMEDIES.afXdp)
  }
  if (!has(CAP_BPF)) return refused('the process has no CAP_BPF', REMEDIES.afXdp)
  // The first user namespace maps every user to itself; the kernel takes BPF from that one only.
  const first = /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  return first ? AVAILABLE : refused('the process runs in a user namespace', REMEDIES.afXdp)
}

async function tun(): Promise<Capability> {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'))
  } catch (error) {
    return refused((error as Error).message, REMEDIES.tun)
  }
  // The device goes with its namespace.
  const alone = ['unshare', process.geteuid?.() === 0 ? '-n' : '-Urn'] as const
  return attempt([...alone, 'ip', 'tuntap', 'add', 'dev', 'tap0', 'mode', 'tap'], REMEDIES.tun)
}

function refused(reason: string, remedy: string): Capability {
  return { available: false, reason, remedy }
}
