/** tcpdump in a namespace: complete from `start` to `stop`, and the frames read back. */
import { join } from 'node:path'
import {
  type Laboratory,
  type LabProcess,
  type Namespace,
  until,
} from '../../src/laboratory/index.js'
import { type CapturedFrame, readCapture } from './pcap.js'

let serial = 0

export interface CaptureOptions {
  /** What tcpdump takes as its expression, 'tcp port 80' for example. */
  filter?: string
  /** Bytes kept of each frame; all by default. */
  snapLength?: number
}

export class Capture {
  private constructor(
    readonly file: string,
    private readonly tcpdump: LabProcess,
  ) {}

  /** Captures both directions of `device`; returns once no frame can be missed any more. */
  static async start(
    lab: Laboratory,
    at: Namespace,
    device: string,
    { filter = '', snapLength = 0 }: CaptureOptions = {},
  ): Promise<Capture> {
    const file = join(lab.folder, `${at.role}-${device}-${serial++}.pcap`)
    // -U and immediate mode: what was counted as captured is in the file. -Z root: in a user
    // namespace there is nobody else to become. -B: 64 MiB, as super-packets are large.
    const args = ['-i', device, '-w', file, '-U', '--immediate-mode', '-n', '-Z', 'root']
    const sizes = ['-B', '65536', '-s', String(snapLength)]
    const tcpdump = await at.spawn('tcpdump', [
      ...args,
      ...sizes,
      ...filter.split(' ').filter(Boolean),
    ])
    await tcpdump.waitForOutput(/listening on/)
    return new Capture(file, tcpdump)
  }

  /**
   * Ends the capture, once everything that passed before this call is in the file.
   * @throws {Error} where the kernel had to drop frames: the capture would not show what happened.
   */
  async stop(): Promise<CapturedFrame[]> {
    const frames = await this.read()
    await this.tcpdump.stop('SIGINT')
    return frames
  }

  /** What passed before this call; the capture goes on. @throws as `stop` does. */
  async read(): Promise<CapturedFrame[]> {
    const { dropped } = await until('tcpdump writes what the kernel handed it', () =>
      this.drained(),
    )
    if (dropped > 0) throw new Error(`${this.file} lacks ${dropped} frames`)
    return readCapture(this.file)
  }

  /** Asks tcpdump for its counts; gives them when all that its filter let through is written. */
  private async drained() {
    const before = this.tcpdump.output().length
    this.tcpdump.signal('SIGUSR1')
    const counts = await until('tcpdump tells its counts', () => {
      return COUNTS.exec(this.tcpdump.output().slice(before)) ?? undefined
    })
    const [captured, received, dropped] = counts.slice(1).map(Number) as [number, number, number]
    return captured >= received - dropped && { dropped }
  }
}

const COUNTS =
  /(\d+) packets? captured[\s,]+(\d+) packets? received by filter[\s,]+(\d+) packets? dropped by kernel/
