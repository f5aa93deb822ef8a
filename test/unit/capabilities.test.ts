import { expect, test } from 'vitest'
import { effectiveCapabilities } from '../../src/capabilities.js'

test.each([
  ['CapEff:\t0000000000003000', ['CAP_NET_ADMIN', 'CAP_NET_RAW']],
  ['CapEff:\t0000018000000000', ['CAP_BPF', 'CAP_CHECKPOINT_RESTORE']],
  ['CapEff:\t0000000000000000', []],
  ['', []],
])('reads %j', (text, names) => {
  expect(effectiveCapabilities(`Name:\tnode\n${text}\nCapBnd:\t1\n`)).toEqual(names)
})
