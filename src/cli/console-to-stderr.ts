import { Console } from 'node:console'

/** What a configuration or a policy prints is for a person: stdout has data, with --json nothing
 *  but JSON. */
export function consoleToStderr(target: Console, stderr: NodeJS.WritableStream): void {
  Object.assign(target, new Console(stderr, stderr))
}
