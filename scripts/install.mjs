#!/usr/bin/env node
/**
 * What `npm install sluice` runs: nothing where a prebuilt addon loads, else a compilation by
 * node-gyp. node-gyp downloads Node's headers unless told where they are; an installation of Node
 * that carries its own, of the running version, needs no network.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

function headersOfRunningNode() {
  const prefixes = [process.config.variables.node_prefix, dirname(dirname(process.execPath))]
  return prefixes.find((prefix) => headerVersion(prefix) === process.version)
}

function headerVersion(prefix) {
  const header = join(prefix, 'include/node/node_version.h')
  if (!existsSync(header)) return undefined
  const text = readFileSync(header, 'utf8')
  const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1]
  return `v${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`
}

const nodeGypBuild = require.resolve('node-gyp-build/bin.js')
const env = { ...process.env }
const prefix = headersOfRunningNode()
if (prefix) env.npm_package_config_node_gyp_nodedir ??= prefix
env.JOBS ??= 'max'
// node-gyp-build starts its own test program by name.
const commands = join(dirname(dirname(nodeGypBuild)), '.bin')
env.PATH = [commands, env.PATH].join(delimiter)
const { status } = spawnSync(process.execPath, [nodeGypBuild], { stdio: 'inherit', env })
process.exitCode = status ?? 1
