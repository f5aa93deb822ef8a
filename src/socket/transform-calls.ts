/**
 * Who is called by a transform's own call waits for that call where he waits for the transform to be
 * done: for ever, where the call waits for him. It is known by what is on the stack.
 */
import type { Duplex } from 'node:stream'

/** One call of a transform. */
export interface TransformCall {
  /** The transform has said that it is done with what it was given. */
  isDone: boolean
}

type Done = (error?: Error | null) => void
type Method = (this: Duplex, ...args: unknown[]) => void

export class TransformCalls {
  /** The one that is on the stack. */
  current: TransformCall | undefined

  watch(transform: Duplex): void {
    const methods = transform as unknown as Record<string, Method | undefined>
    for (const name of ['_write', '_writev', '_final']) {
      const method = methods[name]
      if (method) methods[name] = this.#watched(method)
    }
  }

  #watched(method: Method): Method {
    const calls = this
    return function (this: Duplex, ...args: unknown[]) {
      const done = args.pop() as Done
      const before = calls.current
      const call = { isDone: false }
      calls.current = call
      try {
        method.call(this, ...args, (error?: Error | null) => {
          call.isDone = true
          done(error)
        })
      } finally {
        calls.current = before
      }
    }
  }
}
