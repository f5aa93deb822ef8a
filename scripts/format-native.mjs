#!/usr/bin/env node
import { spawnSync } from 'node:child_process'
import { clangFormat, nativeFiles } from './native-files.mjs'

const command = clangFormat()
if (!command) {
  console.error('clang-format-14 is not installed: C++ stays as it is')
  process.exit(1)
}
process.exitCode = spawnSync(command, ['-i', ...nativeFiles()], { stdio: 'inherit' }).status ?? 1
