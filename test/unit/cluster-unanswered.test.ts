import { expect, test } from 'vitest'
import { Unanswered } from '../../src/cluster/unanswered.js'
import { QueryView } from '../../src/generated/messages.js'
import { queryMessage } from '../helpers/messages.js'

const query = (serial: number, vsId = 1) => {
  const fields = { serial, vsId, source: '192.0.2.10:1', destination: '192.0.2.100:80' }
  return new QueryView(new DataView(queryMessage(fields).buffer))
}

test('FLOWLIFE-20 questions that are never answered give way, the oldest first', () => {
  const open = new Unanswered(2)
  for (const serial of [1, 2, 3]) open.add(query(serial))
  expect(open.size).toBe(2)
  expect(open.take(1)).toBe(undefined)
  expect(open.take(3)?.serial).toBe(3)
  expect(open.take(3)).toBe(undefined)
})

test('FLOWLIFE-20 a RESET takes those of its virtual server, or all', () => {
  const open = new Unanswered(8)
  for (const serial of [1, 2, 3]) open.add(query(serial, serial))
  open.forget(2)
  expect(open.take(2)).toBe(undefined)
  expect(open.size).toBe(2)
  open.forget(0)
  expect(open.size).toBe(0)
})
