import { expect, test } from 'vitest'
import { filesUnder, readText } from '../helpers/repository.js'

const { variables } = JSON.parse(readText('native/sources.gypi')) as {
  variables: { core_sources: string[]; addon_sources: string[] }
}

test('ARCH-01 every C++ source is listed once, in order, the addon apart from the core', () => {
  const files = filesUnder('native', '.cc')
  const inAddon = (path: string) => path.startsWith('native/addon/')
  expect(variables.core_sources).toEqual(files.filter((path) => !inAddon(path)))
  expect(variables.addon_sources).toEqual(files.filter(inAddon))
})

test('no other build file lists sources', () => {
  const named = ['CMakeLists.txt', 'native/CMakeLists.txt', 'binding.gyp'].flatMap((path) =>
    [...readText(path).matchAll(/[\w/]+\.cc\b/g)].map(([source]) => `${path}: ${source}`),
  )
  // Programs of tests are put together by CMake: replay_main.cc is the other half of a fuzz target
  // where there is no libFuzzer, and the hostile cases make one of their own.
  const ofTests = /replay_main\.cc|_hostile_test\.cc|\/test\/native\//
  expect(named.filter((entry) => !ofTests.test(entry))).toEqual([])
})
