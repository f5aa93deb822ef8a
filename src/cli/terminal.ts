/**
 * Where a command writes: data to stdout, messages to stderr, colour only to a terminal that wants
 * it. Commands get a `Terminal` and touch neither `process.stdout` nor `process.stderr`.
 */
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** The part of a writable stream that a terminal needs. */
export interface Sink {
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): unknown
  isTTY?: boolean
}

export class Terminal {
  readonly colour: boolean
  readonly #stdout: Sink
  readonly #stderr: Sink

  constructor(stdout: Sink, stderr: Sink, colour: boolean) {
    this.#stdout = stdout
    this.#stderr = stderr
    this.colour = colour
  }

  /** Whether a person sees the messages as they come. */
  get notesAreRead(): boolean {
    return this.#stderr.isTTY === true
  }

  /** A line of data. */
  print(line = ''): void {
    this.#stdout.write(`${line}\n`)
  }

  /** One JSON value on one line, so that a reader may split the output by lines. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value))
  }

  /** Data that is no text; `done` when it has been handed over. */
  write(data: Uint8Array, done: (error?: Error | null) => void): void {
    this.#stdout.write(data, done)
  }

  /** A line for a person, beside the data. */
  note(line: string): void {
    this.#stderr.write(`${line}\n`)
  }

  style(style: Style, text: string): string {
    return this.colour ? styleText(style, text) : text
  }
}

/** Whether to colour: `--no-color`, then NO_COLOR (https://no-color.org), FORCE_COLOR, the stream. */
export function wantsColour(flag: boolean, env: NodeJS.ProcessEnv, stream: Sink): boolean {
  if (!flag || env.NO_COLOR) return false
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0'
  return stream.isTTY === true && env.TERM !== 'dumb'
}

/** A terminal that nobody reads. */
export function quiet(): Terminal {
  const nowhere: Sink = { write: () => undefined }
  return new Terminal(nowhere, nowhere, false)
}
