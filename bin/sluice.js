#!/usr/bin/env node
import { main } from '../dist/cli/main.js'

// An error in a policy names the line that its author wrote.
process.setSourceMapsEnabled(true)

// A reader that has enough, as in `sluice flows | head`, is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error
  })
}

process.exitCode = await main(process.argv.slice(2))
