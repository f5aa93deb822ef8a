import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import { until } from '../../src/laboratory/index.js'

/** The last packets may come late: asks both until they agree, or says where they do not. */
export async function expectAgreement<T>(
  told: () => Promise<T>,
  seen: () => Promise<T>,
): Promise<void> {
  let last: [T, T] | undefined
  await until('agreement', async () => {
    last = [await told(), await seen()]
    return isDeepStrictEqual(...last)
  }).catch(() => expect(last?.[0]).toEqual(last?.[1]))
}
