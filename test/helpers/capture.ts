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
  /** Frames that were counted as received before the filter was in place, and thrown away then. */
  private uncaptured = 0

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
    const capture = new Capture(file, tcpdump)
    capture.uncaptured = await capture.missing()
    return capture
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
    const { dropped } = await until('tcpdump writes what the kernel handed it', async () => {
      const counts = await this.counts()
      return counts.missing <= this.uncaptured && counts
    })
    if (dropped > 0) throw new Error(`${this.file} lacks ${dropped} frames`)
    return readCapture(this.file)
  }

  /** What stays missing: the least of what is told until nothing comes between two counts. */
  private async missing(): Promise<number> {
    let before = await this.counts()
    let least = before.missing
    for (let turn = 0; turn < MOST_TURNS; turn++) {
      const now = await this.counts()
      least = Math.min(least, now.missing)
      if (now.received === before.received && now.missing === before.missing) break
      before = now
    }
    return least
  }

  /** Asks tcpdump for its counts. `missing`: let through by the filter, and not written. */
  private async counts() {
    const before = this.tcpdump.output().length
    this.tcpdump.signal('SIGUSR1')
    const counts = await until('tcpdump tells its counts', () => {
      return COUNTS.exec(this.tcpdump.output().slice(before)) ?? undefined
    })
    const [captured, received, dropped] = counts.slice(1).map(Number) as [number, number, number]
    return { received, dropped, missing: received - dropped - captured }
  }
}

const MOST_TURNS = 100

const COUNTS =
  /(\d+) packets? captured[\s,]+(\d+) packets? received by filter[\s,]+(\d+) packets? dropped by kernel/
