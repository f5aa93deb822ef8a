#!/usr/bin/env node
import { consoleToStderr } from '../dist/cli/console-to-stderr.js'
import { leave } from '../dist/cli/leave.js'
import { main } from '../dist/cli/main.js'

// An error in a policy names the line that its author wrote.
process.setSourceMapsEnabled(true)
consoleToStderr(console, process.stderr)

// A reader that has enough, as in `sluice flows | head`, is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error
  })
}

await leave(await main(process.argv.slice(2)), process)
