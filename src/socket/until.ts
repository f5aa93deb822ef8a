/** Waits for a promise for as long as a signal allows. @throws the reason of `signal` */
export function until<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) giveUp()
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}
