// Node's own fetch, which keeps its connections: posts bodies of many sizes and checks what comes back.
// Arguments: base URL, path, rounds.
import { createHash, randomBytes } from 'node:crypto'

const [base, path, rounds] = process.argv.slice(2)
const sizes = [0, 1, 1000, 65_535, 65_536, 200_000, 1_000_000]
const sum = (bytes) => createHash('sha256').update(bytes).digest('hex')

async function post(size, streams) {
  const bytes = randomBytes(size)
  const body = streams && size > 0 ? new Blob([bytes]).stream() : bytes
  const answer = await fetch(`${base}${path}`, { method: 'POST', body, duplex: 'half' })
  const got = Buffer.from(await answer.arrayBuffer())
  if (answer.status !== 200 || sum(got) !== sum(bytes)) {
    throw new Error(`${size} bytes: ${answer.status}, ${got.length} came`)
  }
}

for (let round = 0; round < Number(rounds); round++) {
  for (const size of sizes) await post(size, round % 2 === 1)
  await Promise.all(sizes.map((size) => post(size, round % 2 === 0)))
}
console.log('all is right')
