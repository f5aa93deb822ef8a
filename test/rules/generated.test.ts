import { expect, test } from 'vitest'
import { staleFiles } from '../../scripts/generate.mjs'

test('generated files are fresh: npm run generate', () => {
  expect(staleFiles()).toEqual([])
})
