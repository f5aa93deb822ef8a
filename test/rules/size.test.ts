import { expect, test } from 'vitest'
import { filesUnder, numberedLines } from '../helpers/repository.js'
import { longFiles } from './layers.js'

const limit = 400
const files = ['native', 'src', 'test', 'bench', 'scripts', 'examples']
  .flatMap((folder) => filesUnder(folder, '.cc', '.h', '.ts', '.tsx', '.mjs'))
  .filter((path) => !path.startsWith('src/generated/'))

test('no file is over 400 lines without a reason', () => {
  const long = files.filter((path) => numberedLines(path).length - 1 > limit)
  expect(long.filter((path) => !longFiles[path])).toEqual([])
  expect(
    Object.keys(longFiles).filter((path) => !long.includes(path)),
    'no longer long',
  ).toEqual([])
})

test('every helper belongs to a noun: no util', () => {
  expect(files.filter((path) => /\/(utils?|helpers?|misc|common)\.\w+$/.test(path))).toEqual([])
})
