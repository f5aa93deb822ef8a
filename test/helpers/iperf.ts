/** iperf3's client in a laboratory: throughput of TCP streams, as a whole and over time. */
import { type LabProcess, type Namespace, until } from '../../src/laboratory/index.js'

export interface IperfResult {
  /** As the receiver counted. */
  bitsPerSecond: number
  bytes: number
  retransmits: number
  /** Bits per second of each interval, in order. */
  intervals: number[]
}

export interface IperfOptions {
  port?: number
  seconds?: number
  /** Ends after so many bytes instead. */
  bytes?: number
  /** Seconds between two intervals. */
  intervalSeconds?: number
  /** The server sends. */
  reverse?: boolean
  streams?: number
}

/** With these the kernels of both ends hold little of a stream, and so little is sent and not counted. */
export const HOLDING_LITTLE = {
  'ipv4/tcp_rmem': '4096 131072 262144',
  'ipv4/tcp_wmem': '4096 16384 262144',
}

/**
 * Of what the sender has sent, the receiver counts what it has read when the connection of control says that
 * all is done. So many bytes of a stream may be in its kernel or the sender's then, by HOLDING_LITTLE:
 * two buffers, which a last segment may exceed.
 */
export const MOST_UNCOUNTED = 2 * (262_144 + 65_536)

interface Report {
  error?: string
  intervals: { sum: { bits_per_second: number } }[]
  end: {
    sum_sent: { retransmits?: number }
    sum_received: { bits_per_second: number; bytes: number }
  }
}

/** @throws {Error} with iperf3's own words where the test did not come to its end. */
export async function iperf(
  from: Namespace,
  address: string,
  options: IperfOptions = {},
): Promise<IperfResult> {
  const seconds = options.seconds ?? 2
  const args = ['-c', address, '-J', '-p', String(options.port ?? 5201)]
  args.push(...(options.bytes ? ['-n', String(options.bytes)] : ['-t', String(seconds)]))
  args.push('-i', String(options.intervalSeconds ?? 1), '-P', String(options.streams ?? 1))
  if (options.reverse) args.push('-R')
  const timeoutMs = (seconds + 30) * 1000
  const { stdout, signal } = await from.tryExec('iperf3', args, { timeoutMs })
  if (signal) throw new Error(`iperf3 to ${address}: not done after ${timeoutMs} ms`)
  const report = JSON.parse(stdout) as Report
  if (report.error) throw new Error(`iperf3 to ${address}: ${report.error}`)
  return {
    bitsPerSecond: report.end.sum_received.bits_per_second,
    bytes: report.end.sum_received.bytes,
    retransmits: report.end.sum_sent.retransmits ?? 0,
    intervals: report.intervals.map(({ sum }) => sum.bits_per_second),
  }
}

export interface DatagramResult {
  /** As the sender counted. */
  sent: number
  /** Of those, the ones that the receiver missed, and those that overtook others. */
  lost: number
  outOfOrder: number
}

interface DatagramReport {
  error?: string
  end: { streams: { udp: { packets: number; lost_packets: number; out_of_order: number } }[] }
}

/** Datagrams of `bytes` bytes each, at a constant `bitrate` as iperf3 takes it: '20M' for example. */
export async function iperfDatagrams(
  from: Namespace,
  address: string,
  options: { bitrate: string; bytes: number; seconds: number; streams: number; reverse: boolean },
): Promise<DatagramResult> {
  const { bitrate, bytes, seconds, streams, reverse } = options
  const args = ['-u', '-c', address, '-J', '-b', bitrate, '-l', String(bytes)]
  args.push('-t', String(seconds), '-P', String(streams), ...(reverse ? ['-R'] : []))
  const { stdout } = await from.tryExec('iperf3', args)
  const report = JSON.parse(stdout) as DatagramReport
  if (report.error) throw new Error(`iperf3 to ${address}: ${report.error}`)
  const figures = report.end.streams.map(({ udp }) => udp)
  const sum = (of: (udp: (typeof figures)[number]) => number) =>
    figures.reduce((total, udp) => total + of(udp), 0)
  return {
    sent: sum((udp) => udp.packets),
    lost: sum((udp) => udp.lost_packets),
    outOfOrder: sum((udp) => udp.out_of_order),
  }
}

/** iperf3 in both directions at once, until it is stopped. Its intervals are there as they end. */
export class RunningIperf {
  private constructor(private readonly client: LabProcess) {}

  /** `bitrate` as iperf3 takes it, '100M' for example: each direction is held to that. */
  static async start(
    from: Namespace,
    address: string,
    port: number,
    bitrate: string,
  ): Promise<RunningIperf> {
    const args = ['-c', address, '-p', String(port), '--bidir', '-t', '0', '-b', bitrate]
    const client = await from.spawn('iperf3', [...args, '-i', '0.5', '-f', 'k', '--forceflush'])
    await client.waitForOutput(INTERVAL)
    return new RunningIperf(client)
  }

  /** Bits per second in the next `count` half seconds, for each direction. */
  async nextIntervals(count: number): Promise<{ sent: number[]; received: number[] }> {
    // The interval that is under way began before.
    const from = {
      sent: this.intervals('TX').length + 1,
      received: this.intervals('RX').length + 1,
    }
    return until(
      () => `${count} more intervals of iperf3: ${this.client.output().slice(-500)}`,
      () => {
        const sent = this.intervals('TX').slice(from.sent, from.sent + count)
        const received = this.intervals('RX').slice(from.received, from.received + count)
        return sent.length === count && received.length === count && { sent, received }
      },
      count * 1000 + 10_000,
    )
  }

  async stop(): Promise<void> {
    await this.client.stop('SIGINT')
  }

  private intervals(role: 'TX' | 'RX'): number[] {
    const lines = [...this.client.output().matchAll(new RegExp(INTERVAL, 'g'))]
    return lines.filter((line) => line[1] === role).map((line) => Number(line[2]) * 1000)
  }
}

/** `[  5][TX-C]   0.50-1.00   sec  1.25 MBytes  20971 Kbits/sec    0    349 KBytes` */
const INTERVAL = /\[([TR]X)-C\]\s+[\d.]+-[\d.]+\s+sec\s+[\d.]+ \w+\s+([\d.]+) Kbits\/sec/
