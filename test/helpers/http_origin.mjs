// An HTTP server that answers in every way that there is. Arguments: name, port.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const [name, port] = process.argv.slice(2)
let connections = 0

const answers = {
  '/name': (_request, answer) => answer.end(`${name}\n`),
  '/connection': ({ socket }, answer) => answer.end(`${name} ${socket.number}\n`),
  '/headers': ({ headers }, answer) => answer.end(JSON.stringify(headers)),
  '/echo': (request, answer) => request.pipe(answer),
  '/length': (request, answer) => {
    const length = request.headers['content-length']
    if (length) answer.setHeader('Content-Length', length)
    request.pipe(answer)
  },
  '/hash': async (request, answer) => {
    const hash = createHash('sha256')
    for await (const chunk of request) hash.update(chunk)
    answer.end(`${hash.digest('hex')}\n`)
  },
  '/none': (_request, answer) => answer.writeHead(204).end(),
  '/same': (_request, answer) => answer.writeHead(304, { ETag: '"x"' }).end(),
  '/hints': (_request, answer) => {
    answer.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => answer.end('hinted\n'))
  },
  '/chunks': (_request, answer) => {
    for (let chunk = 0; chunk < 100; chunk++) answer.write('x'.repeat(1 + chunk * 50))
    answer.addTrailers({ 'X-Sum': 'right' })
    answer.end()
  },
  '/gone': ({ socket }) => socket.resetAndDestroy(),
  '/half': ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf')
    setImmediate(() => socket.destroySoon())
  },
  '/smuggled': ({ socket }) => {
    const both = 'Content-Length: 3\r\nTransfer-Encoding: chunked'
    socket.end(`HTTP/1.1 200 OK\r\n${both}\r\n\r\n0\r\n\r\n`)
  },
  '/old': ({ socket }) => {
    socket.end('HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nold\n')
  },
  '/until-close': ({ socket }) => {
    socket.end(`HTTP/1.1 200 OK\r\n\r\n${'until the end\n'.repeat(20_000)}`)
  },
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, answer) => {
  const answering = answers[request.url.split('?')[0]]
  if (answering) answering(request, answer)
  else answer.writeHead(404).end('nothing\n')
})
server.on('connection', (socket) => {
  socket.number = ++connections
})
server.on('checkContinue', (request, answer) => {
  if (request.url === '/refused') {
    answer.writeHead(417, { 'Content-Length': 0 }).end()
    return
  }
  answer.writeContinue()
  server.emit('request', request, answer)
})
server.on('upgrade', (_request, socket, head) => {
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  )
  socket.write(head)
  socket.pipe(socket)
})
server.listen(Number(port), '::', () => console.log('ready'))
