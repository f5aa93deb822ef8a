/** A peer that sends any frame and sees every one: for what a kernel would not say. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type LabProcess, type Namespace, until } from '../../src/laboratory/index.js'
import { type DecodedFrame, decodeFrame } from './frame.js'
import { root } from './repository.js'

export interface ReceivedFrame {
  bytes: Buffer
  decoded: DecodedFrame
}

export class RawPeer {
  /** Everything that arrived, oldest first. */
  readonly received: ReceivedFrame[] = []
  private taken = 0

  private constructor(
    private readonly helper: LabProcess,
    /** The device's own address. */
    readonly mac: string,
  ) {
    const lines = createInterface({ input: helper.stdout })
    lines.on('line', (line) => {
      const bytes = Buffer.from(line, 'hex')
      // The greeting may be seen here or not: it holds no frame.
      if (bytes.length >= 14) this.received.push({ bytes, decoded: decodeFrame(bytes) })
    })
  }

  /** Opens `device`; its kernel still sees the frames as well. */
  static async start(at: Namespace, device: string): Promise<RawPeer> {
    const script = join(root, 'test/helpers/raw_peer.py')
    const helper = await at.spawn('python3', ['-B', script, device])
    const [, mac = ''] = await helper.waitForOutput(/^ready (\S+)$/m)
    return new RawPeer(helper, mac)
  }

  send(...frames: Buffer[]): void {
    this.helper.write(frames.map((frame) => `${frame.toString('hex')}\n`).join(''))
  }

  /** The next frame for which `matches` holds; those before it are passed over for good. */
  next(
    what: string,
    matches: (frame: DecodedFrame) => boolean,
    timeoutMs = 10_000,
  ): Promise<ReceivedFrame> {
    return until(
      () => `${what}; ${this.received.length} frames came, ${this.helper.output().slice(-200)}`,
      () => {
        while (this.taken < this.received.length) {
          const frame = this.received[this.taken++] as ReceivedFrame
          if (matches(frame.decoded)) return frame
        }
        return undefined
      },
      timeoutMs,
    )
  }

  async stop(): Promise<void> {
    await this.helper.stop('SIGTERM')
  }
}
