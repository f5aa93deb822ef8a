import { expect, test } from 'vitest'
import { namedIds, unknownIds } from '../../scripts/requirements.mjs'

test('every requirement that a test names is a row', () => {
  expect(unknownIds()).toEqual([])
})

test('ids are read singly, in lists and in ranges', () => {
  const first = ['AB-01', 'AB-02', 'AB-03']
  expect(namedIds('of AB-01 AB-02, AB-03')).toEqual(first)
  expect(namedIds('of AB-01..03')).toEqual(first)
  expect(namedIds('of AB-01..AB-03')).toEqual(first)
  expect(namedIds('words')).toEqual([])
})
