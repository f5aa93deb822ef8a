/** Default values and bounds of the numbers in a configuration, which the data flow segment has none
 *  of its own for; config.ts tells the reasons. */

interface Bounds {
  readonly min: number
  readonly max: number
  readonly default: number
  /** A size in bytes, which may be written as '64MiB'. */
  readonly isSize?: true
}

const mebibyte = 1024 * 1024
const gibibyte = 1024 * mebibyte
const minute = 60_000
/** The bus carries an idle time-out as u32 seconds; a week is more than any flow needs. */
const week = 7 * 24 * 60 * minute

export const limitBounds = {
  flows: { min: 16, max: 16_777_216, default: 1_000_000 },
  waitingFlows: { min: 1, max: 1_048_576, default: 16_384 },
  waitingPackets: { min: 1, max: 1024, default: 32 },
  packetBuffers: { min: 128, max: 4_194_304, default: 16_384 },
  fragmentedDatagrams: { min: 16, max: 1_048_576, default: 4096 },
  waitingFragments: { min: 16, max: 1_048_576, default: 1024 },
  neighbors: { min: 16, max: 65_535, default: 4096 },
  busBytes: { min: 65_536, max: 256 * mebibyte, default: 16 * mebibyte },
  connections: { min: 16, max: 4_194_304, default: 100_000 },
  bufferMemory: { min: mebibyte, max: 1024 * gibibyte, default: 256 * mebibyte, isSize: true },
  windowsFor: { min: 0, max: 4_194_304, default: 0 },
  streamBytes: { min: 262_144, max: 256 * mebibyte, default: 4 * mebibyte },
  timeWaits: { min: 16, max: 16_777_216, default: 262_144 },
} as const satisfies Record<string, Bounds>

export const timeoutBounds = {
  tcpEstablishedMs: { min: 1000, max: week, default: 124 * minute },
  tcpOpeningMs: { min: 1000, max: week, default: 4 * minute },
  tcpClosingMs: { min: 1000, max: week, default: 4 * minute },
  udpMs: { min: 1000, max: week, default: 5 * minute },
  icmpMs: { min: 1000, max: week, default: minute },
  otherMs: { min: 1000, max: week, default: 10 * minute },
  lingerMs: { min: 100, max: week, default: 5000 },
  timeWaitMs: { min: 1000, max: 4 * minute, default: minute },
  refusedMs: { min: 100, max: week, default: 2000 },
  drainMs: { min: 0, max: week, default: 10 * minute },
  statsIntervalMs: { min: 100, max: week, default: 10_000 },
  /** 0: what `resolve.ts` makes of the others. */
  reapMs: { min: 5000, max: week, default: 0 },
} as const satisfies Record<string, Bounds>

/** Of each of the two buffers of a connection, at least (least_share in native/tcp/tcp.h). */
export const leastWindow = 8192
/** As many as a segment has room for (kMaxPorts in native/packet/packet.h). */
export const mostPorts = 16
/** A segment numbers its workers in what it has left of seven bits (SSMB-11). */
export const workerBounds = { min: 1, max: 32, default: 1 } as const
/** CPU_SETSIZE of glibc. */
export const cpuBounds = { min: 0, max: 1023 } as const
/** 0 and 4095 are reserved (802.1Q). */
export const vlanBounds = { min: 1, max: 4094 } as const
export const mtuBounds = { min: 576, max: 65_535, default: 1500 } as const
/** IFNAMSIZ less the zero byte. */
export const longestDevice = 15
/** RFC 8200 5: every link that carries IPv6 has this MTU. */
export const minimumIpv6Mtu = 1280

export const policyTimeoutBounds = { min: 1, max: minute, default: 250 } as const
/** A flow keeps its own time-out in 16 bits of seconds. */
export const idleTimeoutBounds = { min: 1000, max: 65_535_000 } as const

/** What is read of a client's connection before its server is chosen. The window in a SYN-ACK is not
 *  scaled, and the bus has it in KiB. */
export const inspectBounds = {
  maxBytes: { min: 1024, max: 63 * 1024, default: 32 * 1024 },
  timeoutMs: { min: 1000, max: 10 * minute, default: 10_000 },
  connectTimeoutMs: { min: 100, max: minute, default: 3000 },
} as const satisfies Record<string, Bounds>

export const timeWaitBounds = {
  min: timeoutBounds.timeWaitMs.min,
  max: timeoutBounds.timeWaitMs.max,
} as const

/** RFC 6056 3.2: those below 1024 are of services. */
export const sourcePortBounds = { min: 1024, max: 65_535 } as const

export const weightBounds = { min: 1, max: 1000, default: 1 } as const
export const connectionLimitBounds = { min: 1, max: limitBounds.flows.max } as const
export const slowStartBounds = { min: 0, max: 60 * minute, default: 0 } as const

export const checkBounds = {
  intervalMs: { min: 100, max: 60 * minute, default: 2000 },
  timeoutMs: { min: 10, max: minute, default: 1000 },
  rise: { min: 1, max: 100, default: 2 },
  fall: { min: 1, max: 100, default: 3 },
} as const satisfies Record<string, Bounds>

export const passiveBounds = {
  fall: { min: 1, max: 1000, default: 3 },
  forMs: { min: 100, max: 60 * minute, default: 10_000 },
} as const satisfies Record<string, Bounds>
