/**
 * The boundary to the data flow segment: loads the addon and types what crosses. Nobody else does.
 * What crosses has been checked: a user is told here, in words, what is wrong; beyond the boundary a
 * value that does not fit is a defect.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A packet I/O endpoint, all values resolved: nothing is optional that the segment needs. */
export interface NativePortOptions {
  name: string
  kind: 'tap' | 'packet' | 'xdp' | 'memory'
  /** Name of the network device (`tap`: created; `packet`, `xdp`: must exist). */
  device: string
  /** Path of the network namespace to open the device in, '' for the present one. */
  netns: string
  /** `aa:bb:cc:dd:ee:ff`, or '' to use the device's own (`packet`, `xdp`) or a random one. */
  mac: string
  mtu: number
  /** VLAN tags of all its frames, from the outermost: none, one or two. */
  vlans: readonly number[]
  /** The engine's own addresses on the link, as 'address/prefix'. */
  addresses: string[]
  /** TAP only: what the host's side gets, as 'address/prefix'. */
  hostAddresses: string[]
  /** Whether flows that start behind this port are outbound (SSMB-29). */
  internal: boolean
  /** Offloads to use; all on unless a test or a device says otherwise. */
  offloads: boolean
  /** Write a pcapng file of what passes; '' for none. */
  capture: string
}

export interface NativeSegmentOptions {
  /** Number of the first worker on the bus; the others have the next. */
  node: number
  workers: number
  /** CPU of each worker; none: the scheduler chooses. */
  cpus: number[]
  ports: NativePortOptions[]
  routes: { to: string; via: string }[]
  /** What becomes of packets that no virtual server takes. */
  forwarding: 'none' | 'route' | 'bridge'
  /** Which SYNs to virtual servers that terminate are answered without state. */
  synCookies: 'auto' | 'always' | 'never'
  limits: {
    flows: number
    waitingFlows: number
    waitingPackets: number
    packetBuffers: number
    fragmentedDatagrams: number
    waitingFragments: number
    neighbors: number
    busBytes: number
    /** Connections that the engine itself ends, open at a time; 0: none. */
    connections: number
    /** Those of them that are over and remembered in TIME-WAIT. */
    timeWaits: number
    /** Their buffers, both ways. */
    bufferBytes: number
    /** Windows are those of so many connections at any time; 0: of those that are active. */
    windowsFor: number
    /** Of messages about sockets, each way. */
    streamBytes: number
  }
  /** Milliseconds. */
  timeouts: {
    tcpEstablished: number
    tcpOpening: number
    tcpClosing: number
    udp: number
    icmp: number
    /** Protocols but TCP, UDP and ICMP. */
    other: number
    linger: number
    refused: number
    statsInterval: number
    /** 2MSL, where nobody says otherwise (RFC 9293 3.6). */
    timeWait: number
  }
}

/** Which packets a capture takes; '' and what belongs to it is none. */
export interface NativeCaptureOrder {
  /** A bit for each port, by their order. */
  ports: number
  mostBytes: number
  /** Source or destination. */
  host: string
  /** The same of an endpoint, whose protocol has this number; 0 is every one. */
  address: string
  l4Port: number
  protocol: number
}

/**
 * A running data flow segment. Messages are those of native/bus/messages.def, back to back, whole.
 * @throws {Error} from `start` where the host refuses: with `operation`, `errno` (positive, 0 for none)
 * and `remedy`, and without a `code`.
 */
export interface NativeSegment {
  /** Opens the ports and starts the worker. `wake` is called when messages are there to drain. */
  start(options: NativeSegmentOptions, wake: () => void): void
  /** Hands over whole messages; those of CSMB reach every worker, and each acknowledges. Returns the bytes taken: less than `length` when the ring is full.
   *  @throws {RangeError} where `length` is beyond their end. */
  submit(messages: Uint8Array, length: number): number
  /** Fills `into` with as many whole messages as fit; returns the bytes. */
  drain(into: Uint8Array): number
  /** The same of messages about sockets (native/bus/streams.def), which go to the worker that each names.
   *  Between calls the engine may take some: a full ring is tried again. */
  writeStreams(messages: Uint8Array, length: number): number
  /** Fills `into`, of 64 KiB or more, with as many of those as fit; returns the bytes. Where 64 KiB of it
   *  are left there were no more, and `wake` is called for those that come. */
  readStreams(into: Uint8Array): number
  /** Fills with what the bytes of a socket that move in the engine have come to: all that it received and
   *  gave to another socket there, and when the last of them did, in nanoseconds of process.hrtime. */
  readProgress(socket: number, into: BigUint64Array): void
  /** Fills with counters, gauges and drop counters, each the sum over all workers, in the order of src/generated/counters.ts, then
   *  for each port its PortCounters (seven, in declaration order). */
  readCounters(into: BigUint64Array): number
  /** Fills `into` with the worker that packets to each L4 port of an address (16 bytes) come to that are
   *  steered by where they go, from port `first` on: as all answers are to clients' addresses, and to
   *  those that `AddSource` told of. */
  homesOf(address: Uint8Array, first: number, into: Uint8Array): void
  /** How each port works on this machine, in words; none unless started. */
  describePorts(): string[]
  /** Lets drainCapture() show what passes the ports; what the file of it begins with. Null while there
   *  is another, or a worker is not yet through with the last one. */
  startCapture(order: NativeCaptureOrder): Uint8Array | null
  /** Fills with as many whole blocks of that file as there are and fit; returns the bytes. */
  drainCapture(into: Uint8Array): number
  /** What the file ends with: how many frames there were. Idempotent. */
  stopCapture(): Uint8Array
  /** Whether stop() writes settings of devices back, which takes CAP_NET_ADMIN. */
  restoresSettings(): boolean
  /** Stops the worker and closes the ports. Idempotent; undoes what `start` did to devices. */
  stop(): void
}

/** What the driver of a device says of XDP; 'unknown' also where there is no such device. */
export type XdpSupport = 'unknown' | 'generic' | 'driver' | 'zero copy'

interface Addon {
  Segment: new () => NativeSegment
  xdpSupport(netns: string, device: string): XdpSupport
  trySteering(): void
  guardEnd(graceMs: number): void
  dropCapabilities(kept: number[]): void
  notify(path: string, message: string): void
}

const require = createRequire(import.meta.url)
const root = dirname(dirname(fileURLToPath(import.meta.url)))
let addon: Addon | undefined

/**
 * Where the addon is looked for: in what `npm run build` made in a clone, else in the package.
 * SLUICE_PREBUILD, which node-gyp-build reads, goes before either.
 */
function addonFolder(): string {
  const clone = join(root, 'out/cmake')
  return !process.env.SLUICE_PREBUILD && existsSync(join(clone, 'build/Release')) ? clone : root
}

function loadAddon(): Addon {
  addon ??= require('node-gyp-build')(addonFolder()) as Addon
  return addon
}

/** Creates a data flow segment, not started. Loads the addon at the first call. */
export function createNativeSegment(): NativeSegment {
  return new (loadAddon().Segment)()
}

/** Asks for a device, in a network namespace by name or path, '' for the present one. */
export function xdpSupport(netns: string, device: string): XdpSupport {
  return loadAddon().xdpSupport(netns, device)
}

/**
 * Tries whether the kernel steers packets to the workers that have their flows, by a program of the
 * engine's. Changes nothing. @throws {Error} why it does not.
 */
export function trySteering(): void {
  loadAddon().trySteering()
}

/**
 * From now on SIGTERM and SIGINT end the process in any case: where JavaScript has not done it after
 * so long, because a policy never returns, a thread closes the ports, which undoes what was done to
 * devices, and exits with 143 or 130. To be called when the handlers of the signals are set.
 */
export function guardEnd(graceMs: number): void {
  loadAddon().guardEnd(graceMs)
}

/** Gives up all capabilities of the process but those with these bits. @throws {Error} with `errno` */
export function dropCapabilitiesBut(kept: number[]): void {
  loadAddon().dropCapabilities(kept)
}

/** Sends a message to the socket of a service manager. @throws {Error} with `errno` */
export function notifySocket(path: string, message: string): void {
  loadAddon().notify(path, message)
}

/** Path of the addon, which is loaded. @throws {Error} where there is none, or it does not load. */
export function addonFile(): string {
  loadAddon()
  return require('node-gyp-build').path(addonFolder()) as string
}
