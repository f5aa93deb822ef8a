#!/usr/bin/env node
/** clang-format and clang-tidy over all C++ of the developer's build; .clang-tidy says what. */
import { run } from './native-build.mjs'
import { clangFormat, clangTidy, nativeFiles } from './native-files.mjs'

const format = clangFormat()
const tidy = clangTidy()
if (!format || !tidy) {
  console.error(
    'C++ is not linted: as root on Debian: apt-get install clang-format-14 clang-tidy-14',
  )
  process.exit(1)
}
run('clang-format-14', ['--dry-run', '-Werror', ...nativeFiles()])
run('npm', ['run', '--silent', 'build:native'])
const sources = nativeFiles().filter((path) => /^native\/.*\.cc$/.test(path))
run('clang-tidy-14', ['-p', 'out/cmake/build', '--quiet', ...sources])
