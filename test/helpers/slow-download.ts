/** curl, whose output is read as far as a test says; what it reads is hashed. */
import { type LabProcess, type Namespace, until } from '../../src/laboratory/index.js'

/** Bytes are taken by number, one line each; without more lines, all the rest. */
const script = `
  exec 4<&0
  curl -sS -g "$@" | {
    while read -r count <&4 && [ "$count" != rest ]; do
      head -c "$count"
      echo taken >&2
    done
    cat
  } | sha256sum
`

export class SlowDownload {
  private taken = 0

  private constructor(private readonly process: LabProcess) {}

  /** @param args more of them for curl */
  static async start(from: Namespace, url: string, args: string[] = []): Promise<SlowDownload> {
    const line = ['-o', 'pipefail', '-c', script, 'bash', ...args, url]
    return new SlowDownload(await from.spawn('bash', line))
  }

  /** Takes so many bytes more, then pauses: nothing else is read. */
  async take(bytes: number): Promise<void> {
    this.process.write(`${bytes}\n`)
    this.taken++
    await until(`${bytes} bytes of the download`, () => {
      const lines = this.process.output().match(/taken/g) ?? []
      return lines.length === this.taken
    })
  }

  /** Takes the rest; the SHA-256 of everything, and curl's exit code. */
  async finish(): Promise<{ sha256: string; code: number | null }> {
    this.process.write('rest\n')
    const { code } = await this.process.exited
    const [sha256 = ''] = /[0-9a-f]{64}/.exec(this.process.output()) ?? []
    return { sha256, code }
  }
}
