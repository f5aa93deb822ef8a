#!/usr/bin/env node
/**
 * Makes a fresh machine ready, and an old one current: Debian packages (as root), npm packages,
 * generated files, native build, TypeScript. Does nothing twice; what is up to date costs a hash.
 * `npm start`, `npm test` and `npm run bench` call it first, so it uses nothing but Node itself.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { contentHash } from './setup/content-hash.mjs'
import { packagesAreCurrent } from './setup/npm-packages.mjs'
import { installSystemPackages } from './setup/system-packages.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stampFile = join(root, 'out/setup.json')

/** Each step runs when the content of what it reads has changed, or what it makes is gone. */
const steps = [
  {
    name: 'generate',
    reads: ['native/bus', 'native/packet', 'native/segment', 'native/port', 'scripts/generate'],
    makes: ['src/generated/messages.ts'],
    command: [process.execPath, 'scripts/generate.mjs'],
  },
  {
    name: 'build:native',
    reads: ['native', 'test/native', 'test/fuzz', 'test/inspect', 'bench/native', 'CMakeLists.txt'],
    makes: ['out/cmake/build/sluice_tests'],
    command: ['npm', 'run', '--silent', 'build:native'],
  },
  {
    name: 'build:ts',
    reads: ['src', 'tsconfig.json'],
    makes: ['dist'],
    command: ['npm', 'run', '--silent', 'build:ts'],
  },
]

function run(name, [command, ...args]) {
  const started = process.hrtime.bigint()
  process.stderr.write(`setup: ${name} ...`)
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 })
  const seconds = Number((process.hrtime.bigint() - started) / 100_000_000n) / 10
  process.stderr.write(` ${seconds} s\n`)
  if (result.status === 0) return
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? result.error}\n`)
  process.stderr.write(`setup: ${name} failed: ${command} ${args.join(' ')}\n`)
  process.exit(1)
}

function readStamps() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'))
  } catch {
    return {}
  }
}

function main() {
  installSystemPackages()
  if (!packagesAreCurrent(root)) {
    // Without scripts: ours would compile the addon, which build:native does better.
    run('npm ci', ['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'])
  }
  const stamps = readStamps()
  for (const { name, reads, makes, command } of steps) {
    const hash = contentHash(root, reads)
    if (stamps[name] === hash && makes.every((path) => existsSync(join(root, path)))) continue
    run(name, command)
    stamps[name] = contentHash(root, reads)
    mkdirSync(dirname(stampFile), { recursive: true })
    writeFileSync(stampFile, `${JSON.stringify(stamps, null, 2)}\n`)
  }
}

main()
