// An HTTP server that answers in every way that there is. Arguments: name, port.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { echoTexts } from './websocket_server.mjs'

const [name, port] = process.argv.slice(2)
let connections = 0

/** A page whose fetches say in its text what came of them. */
const page = `<!doctype html><body>not yet<script type="module">
  const post = async (path, size) => {
    const sent = crypto.getRandomValues(new Uint8Array(size))
    const answer = await fetch(path, { method: 'POST', body: sent })
    const got = new Uint8Array(await answer.arrayBuffer())
    return answer.status === 200 && got.length === size && got.every((byte, at) => byte === sent[at])
  }
  const get = async (path, length) => (await (await fetch(path)).blob()).size === length
  const turns = [1, 1000, 65_536].flatMap((size) => [post('/echo', size), post('/length', size)])
  const files = Array.from({ length: 8 }, () => get('/bytes/3000000', 3_000_000))
  const right = await Promise.all([...turns, ...files, get('/name', ${name.length + 1})])
  document.body.textContent = right.every(Boolean) ? 'all is right' : right.join(' ')
</script>`

const answers = {
  '/page': (_request, answer) => answer.setHeader('Content-Type', 'text/html').end(page),
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
    try {
      for await (const chunk of request) hash.update(chunk)
      answer.end(`${hash.digest('hex')}\n`)
    } catch {
      // Half a request is answered by nobody.
    }
  },
  '/none': (_request, answer) => answer.writeHead(204).end(),
  '/same': (_request, answer) => answer.writeHead(304, { ETag: '"x"' }).end(),
  '/hints': (_request, answer) => {
    answer.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => answer.end('hinted\n'))
  },
  '/hints-alone': (_request, answer) => answer.writeEarlyHints({ link: '</a>; rel=preload' }),
  '/hints-gone': ({ socket }, answer) => {
    answer.writeEarlyHints({ link: '</a>; rel=preload' }, () => socket.destroySoon())
  },
  '/deaf': () => {},
  '/stalls': ({ url }, answer) => {
    answer.setHeader('Content-Length', url.split('?')[1])
    answer.write('half')
  },
  // So many bytes in so many milliseconds, most of them at the end.
  '/drips': ({ url }, answer) => {
    let [left, ms] = url.split('?')[1].split(',').map(Number)
    answer.setHeader('Content-Length', left)
    const dripping = setInterval(() => {
      left--
      answer.write('x')
    }, 100)
    setTimeout(() => {
      clearInterval(dripping)
      answer.end('x'.repeat(left))
    }, ms)
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
  '/more': ({ socket }) => {
    const of = (text) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`
    socket.write(of('asked\n') + of('unasked\n'))
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
  if (request.url === '/deaf') return
  answer.writeContinue()
  server.emit('request', request, answer)
})
server.on('upgrade', (request, socket, head) => {
  if (request.url === '/websocket') {
    echoTexts(request, socket, head)
    return
  }
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  )
  socket.write(head)
  socket.pipe(socket)
})
server.listen(Number(port), '::', () => console.log('ready'))
