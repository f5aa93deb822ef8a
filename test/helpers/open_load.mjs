/**
 * Connections at a constant rate, whatever becomes of those before: each from a port of its own,
 * with one request, the whole answer to which is compared. One argument, JSON: `{ rate, port, targets:
 * [{ local, host }], answers }`, the targets taking turns, `answers` being a pattern for the bodies.
 * On the standard streams, one JSON object on each line: `ready`; `{ failed }` for each connection that
 * did not end well; for each line of input, `{ counts }`; and when the input ends, as soon as nothing is
 * under way any more, the same again.
 */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const { rate, port, targets, answers } = JSON.parse(process.argv[2])

/** Never the same port twice: an endpoint names one connection. */
const FIRST_PORT = 2000
const LAST_PORT = 49_999
/** Longer than a SYN that is lost three times. */
const PATIENCE_MS = 20_000
const TICK_MS = 2

const body = new RegExp(
  `^HTTP/1\\.1 200 [^]*?\r\ncontent-length: (\\d+)\r\n[^]*?\r\n\r\n(${answers})$`,
  'i',
)
const counts = { opened: 0, failed: 0, answered: {} }
let underWay = 0
let over = false

const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)

function open(number) {
  const { local, host } = targets[number % targets.length]
  const localPort = FIRST_PORT + Math.floor(number / targets.length)
  if (localPort > LAST_PORT) throw new Error('no ports left')
  const openedAt = Date.now()
  const socket = connect({ host, port, localAddress: local, localPort, noDelay: true })
  let text = ''
  let code = 'INCOMPLETE'
  socket.setEncoding('latin1')
  socket.setTimeout(PATIENCE_MS, () => {
    code = 'ETIMEDOUT'
    socket.destroy()
  })
  socket.on('connect', () =>
    socket.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n'),
  )
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', (error) => {
    code = error.code
  })
  socket.on('close', () => {
    underWay -= 1
    const [, length, answer] = body.exec(text) ?? []
    if (answer !== undefined && Number(length) === answer.length && code === 'INCOMPLETE') {
      counts.answered[answer.trim()] = (counts.answered[answer.trim()] ?? 0) + 1
    } else {
      counts.failed += 1
      tell({ failed: { client: local, port: localPort, openedAt, endedAt: Date.now(), code } })
    }
    endWhenDone()
  })
}

const start = performance.now()
const timer = setInterval(() => {
  const due = ((performance.now() - start) / 1000) * rate
  while (counts.opened < due) {
    underWay += 1
    open(counts.opened++)
  }
}, TICK_MS)

function endWhenDone() {
  if (!over || underWay > 0) return
  tell({ counts })
  process.exit()
}

createInterface({ input: process.stdin })
  .on('line', () => tell({ counts }))
  .on('close', () => {
    clearInterval(timer)
    over = true
    endWhenDone()
  })
tell({ ready: true })
