import { expect, test } from 'vitest'
import { readText } from '../helpers/repository.js'

/** Every header of native/ that a file includes, and what those include. */
function includedBy(path: string, seen = new Set<string>()): Set<string> {
  for (const [, target = ''] of readText(`native/${path}`).matchAll(/^#include "([^"]+)"/gm)) {
    if (seen.has(target)) continue
    seen.add(target)
    includedBy(target, seen)
  }
  return seen
}

/** The names of the data members of a struct. */
function members(path: string, name: string): string[] {
  const [, body = ''] = new RegExp(`^struct ${name} \\{\n([\\s\\S]*?)^\\};`, 'm').exec(
    readText(`native/tcp/${path}`),
  ) ?? ['', '']
  return body
    .split('\n')
    .map((line) => line.replace(/\/\/.*/, '').trim())
    .filter((line) => line.endsWith(';') && !/[()]|^static|^return|^friend/.test(line))
    .flatMap((line) =>
      line
        .replace(/^[\w:]+(<[^>]*>)?\s+/, '')
        .split(',')
        .map((part) => /^\s*(\w+)/.exec(part)?.[1] ?? ''),
    )
}

test('MEM-07 what answers in TIME-WAIT cannot see the connection block', () => {
  const seen = includedBy('tcp/time_wait.cc')
  expect([...seen].filter((header) => /tcp\/(connection|tcp|life|output)\.h/.test(header))).toEqual(
    [],
  )
  expect(seen).toContain('tcp/tcp_flow.h')
})

test('MEM-02 the halves of the control block have no field in common', () => {
  const flow = members('tcp_flow.h', 'TcpFlow')
  const block = [...members('connection.h', 'Connection'), ...members('connection.h', 'Sender')]
  expect(flow).toContain('rcv_nxt')
  expect(flow).toContain('snd_nxt')
  expect(block).toContain('snd_una')
  expect(block).toContain('rtt')
  expect(flow.filter((name) => block.includes(name))).toEqual([])
  expect(new Set(block).size, 'nor is one in two blocks').toBe(block.length)
})
