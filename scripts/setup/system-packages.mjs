import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * What the build and the tests use of Debian, each with a file or command that shows it is there.
 * Without those marked `build` nothing can be compiled; without the rest tests are skipped.
 */
const systemPackages = [
  { name: 'g++', command: 'g++', build: true },
  { name: 'make', command: 'make', build: true },
  { name: 'cmake', command: 'cmake', build: true },
  { name: 'ninja-build', command: 'ninja', build: true },
  { name: 'doctest-dev', file: '/usr/include/doctest/doctest.h', build: true },
  { name: 'python3', command: 'python3' },
  { name: 'libbenchmark-dev', file: '/usr/include/benchmark/benchmark.h' },
  { name: 'clang-14', command: 'clang++-14' },
  { name: 'libclang-rt-14-dev', file: '/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux' },
  { name: 'clang-format-14', command: 'clang-format-14' },
  { name: 'iproute2', command: 'ip' },
  { name: 'nftables', command: 'nft' },
  { name: 'ethtool', command: 'ethtool' },
  { name: 'tcpdump', command: 'tcpdump' },
  { name: 'iputils-ping', command: 'ping' },
  { name: 'iputils-arping', command: 'arping' },
  { name: 'iputils-tracepath', command: 'tracepath' },
  { name: 'traceroute', command: 'traceroute' },
  { name: 'curl', command: 'curl' },
  { name: 'nginx-light', command: 'nginx' },
  { name: 'iperf3', command: 'iperf3' },
  { name: 'wrk', command: 'wrk' },
  { name: 'nghttp2-client', command: 'h2load' },
  { name: 'chromium', command: 'chromium' },
  { name: 'haproxy', command: 'haproxy' },
  {
    name: 'libnginx-mod-stream',
    file: '/usr/lib/nginx/modules/ngx_stream_module.so',
  },
  { name: 'postgresql', command: 'pg_createcluster' },
  { name: 'redis-server', command: 'redis-server' },
  { name: 'nsd', command: 'nsd' },
  { name: 'bind9-dnsutils', command: 'dig' },
  { name: 'openssl', command: 'openssl' },
  { name: 'prometheus', command: 'promtool' },
  { name: 'systemd', command: 'systemd-analyze' },
  { name: 'strace', command: 'strace' },
  { name: 'procps', command: 'sysctl' },
  { name: 'util-linux', command: 'unshare' },
]

const serviceGuard = '/usr/sbin/policy-rc.d'
const serviceGuardText =
  '#!/bin/sh\n# Sluice setup: packages being installed start no service.\nexit 101\n'

/** Installs what is missing, as root on Debian; else says what is missing and goes on. */
export function installSystemPackages() {
  let missing = systemPackages.filter((wanted) => !isPresent(wanted))
  if (missing.length === 0) return
  if (process.getuid?.() === 0 && findCommand('apt-get')) {
    install(missing.map(({ name }) => name))
    missing = missing.filter((wanted) => !isPresent(wanted))
    if (missing.length === 0) return
  }
  const names = missing.map(({ name }) => name).join(' ')
  process.stderr.write(`setup: missing here: ${names}\n`)
  process.stderr.write(`setup:   as root on Debian or Ubuntu: apt-get install ${names}\n`)
  if (missing.some(({ build }) => build)) {
    process.stderr.write('setup: cannot build without them\n')
    process.exit(1)
  }
  process.stderr.write('setup: going on; the tests that need them are skipped\n')
}

function isPresent({ command, file }) {
  return command ? findCommand(command) : existsSync(file)
}

function findCommand(command) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => existsSync(join(folder, command)))
}

function install(names) {
  process.stderr.write(`setup: installing ${names.join(' ')}\n`)
  const guarded = raiseServiceGuard()
  try {
    aptGet('update')
    aptGet('install', '-y', '--no-install-recommends', ...names)
  } finally {
    if (guarded) rmSync(serviceGuard, { force: true })
  }
}

/** Debian starts a service as it is installed (nginx) unless this file forbids it. */
function raiseServiceGuard() {
  if (existsSync(serviceGuard)) return readFileSync(serviceGuard, 'utf8') === serviceGuardText
  writeFileSync(serviceGuard, serviceGuardText, { mode: 0o755 })
  return true
}

function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stdout, stderr } = spawnSync('apt-get', ['-q', ...args], {
    encoding: 'utf8',
    env,
  })
  if (status !== 0) process.stderr.write(`${stdout}${stderr}\nsetup: apt-get ${args[0]} failed\n`)
}
