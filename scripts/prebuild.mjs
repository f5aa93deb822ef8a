#!/usr/bin/env node
/**
 * Puts the addon, stripped, where node-gyp-build finds it in the published package. N-API makes one
 * file do for every Node from 20 on; the name says for which C library it is.
 *
 *   npm run make-prebuild
 */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './native-build.mjs'

const folder = join('prebuilds', `${process.platform}-${process.arch}`)
const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
const target = join(folder, `sluice.${libc}.node`)
run('npm', ['run', '--silent', 'build:native'])
mkdirSync(join(root, folder), { recursive: true })
copyFileSync(join(root, 'out/cmake/build/Release/sluice.node'), join(root, target))
run('strip', ['--strip-unneeded', target])
console.log(target)
