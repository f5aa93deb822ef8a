/** Turns of a pair: what is done one after the other. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Turns } from '../../src/socket/turns.js'

test('each runs when all before it has come to its end, whatever that is', async () => {
  const turns = new Turns()
  const done: number[] = []
  const first = turns.take(async () => {
    await Promise.resolve()
    done.push(1)
    throw new Error('the first one fails')
  })
  const second = turns.take(async () => void done.push(2))
  await expect(first).rejects.toThrow('the first one fails')
  await second
  expect(done).toEqual([1, 2])
})

test('what came of a turn is not kept: a pair may live for as many as it likes', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const turns = new Turns()
  const results: WeakRef<object>[] = []
  for (let turn = 0; turn < 3; turn++) {
    results.push(new WeakRef(await turns.take(async () => ({ turn }))))
  }
  // A WeakRef holds what it was made of until the end of its turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(results.map((result) => result.deref())).toEqual([undefined, undefined, undefined])
})
