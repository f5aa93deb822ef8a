/**
 * The end of a command line. The process is told to exit: what a configuration has left running, a
 * timer or a connection to a database, would hold it for ever.
 */
interface Leaving {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  exit(code: number): unknown
}

/** Exits when both streams have handed over what was written to them. */
export async function leave(code: number, process: Leaving): Promise<void> {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)])
  process.exit(code)
}

/** Resolves once all before is written, or cannot be. */
function flushed(stream: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => void stream.write('', () => resolve()))
}
