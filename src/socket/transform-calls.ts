/**
 * Who is called by a transform's own call waits for that call where he waits for the transform to be
 * done: for ever, where the call waits for him. It is known by what is on the stack.
 */
import { type Duplex, Transform } from 'node:stream'

/** One call of a transform. */
export interface TransformCall {
  /** The transform has said that it is done with what it was given. */
  isDone: boolean
}

type Done = (...result: unknown[]) => void
type Method = (this: Duplex, ...args: unknown[]) => void

export class TransformCalls {
  /** The one that is on the stack. */
  current: TransformCall | undefined

  watch(transform: Duplex): void {
    const methods = transform as unknown as Record<string, Method | undefined>
    // What a Transform calls back from _write() waits for its readers, too.
    const isTransform = transform instanceof Transform
    const names = isTransform ? ['_transform', '_flush'] : ['_write', '_writev', '_final']
    for (const name of names) {
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
        method.call(this, ...args, (...result: unknown[]) => {
          call.isDone = true
          done(...result)
        })
      } finally {
        calls.current = before
      }
    }
  }
}
