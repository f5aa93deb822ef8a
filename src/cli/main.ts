/**
 * The command line: which commands there are and what they take. Each command lives in the file of
 * its name, which is loaded when it is called, so that help and usage errors are quick. The command
 * line is the first user of the library: it imports `../index.js` and nothing else of it.
 */
import { createRequire } from 'node:module'
import {
  Argument,
  CommanderError,
  InvalidArgumentError,
  Option,
  Command as Program,
} from 'commander'
import type { Command, Context } from './context.js'
import { asksAnEngine, socketPath } from './engine-at.js'
import { ExitCode } from './exit-code.js'
import { logFormats, logLevelProblem, logLevels } from './log.js'
import { reportError } from './report-error.js'
import { type Sink, Terminal, wantsColour } from './terminal.js'

/** What the command line needs of the process; tests bring their own. */
export interface Environment {
  stdout: Sink
  stderr: Sink
  env: NodeJS.ProcessEnv
}

/** Runs one command line, without the words `node sluice`. Never throws; resolves to the exit code. */
export async function main(args: string[], environment: Environment = process): Promise<ExitCode> {
  const { stdout, stderr, env } = environment
  let exitCode: ExitCode = ExitCode.ok
  const colour = wantsColour(!args.includes('--no-color'), env, stdout)
  const context: Context = { terminal: new Terminal(stdout, stderr, colour), env }
  const program = describe(context, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
    return reportError(error, context, args.includes('--json'))
  }
}

function describe(context: Context, done: (code: ExitCode) => void): Program {
  const program = new Program('sluice')
    .description('A packet engine for Linux, programmed in TypeScript.')
    .version(version(), '--version', 'print the version')
    .option('--no-color', 'print without colour')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.terminal.print(text.trimEnd()),
      writeErr: (text) => context.terminal.note(text.trimEnd()),
    })
    .showSuggestionAfterError()
    .addHelpText('after', '\nSee `sluice COMMAND --help`, and try `sluice demo` first.')

  /** Runs what `load` brings; a positional argument joins the options as `file`. */
  const calls =
    <Options>(load: () => Promise<Command<Options>>) =>
    async (...given: unknown[]) => {
      const self = given.pop() as Program
      const [file] = self.processedArgs as (string | undefined)[]
      done(await (await load())({ file, ...self.opts() } as Options, context))
    }

  program
    .command('run <file>')
    .description('run the engine that a file configures, until SIGTERM or SIGINT')
    .option('--json', 'print one JSON object per line')
    .option('--socket <path>', 'where the administration socket goes', socketPath)
    .option('--no-admin', 'run without an administration interface')
    .option('--watch', 'take over the file whenever it changes')
    .addOption(
      new Option('--log-level <level>', 'what to log, from warn by default').choices(logLevels),
    )
    .addOption(
      new Option('--log-format <format>', 'text for a terminal, else json').choices(logFormats),
    )
    .hook('preAction', (self) => {
      const problem = logLevelProblem(context.env.SLUICE_LOG)
      if (problem) self.error(problem)
    })
    .action(calls(async () => (await import('./run.js')).run))

  program
    .command('check <file>')
    .description('validate a configuration without starting anything')
    .option('--json', 'print a JSON object')
    .action(calls(async () => (await import('./check.js')).check))

  program
    .command('schema')
    .description('print the JSON Schema of a configuration, for editors')
    .action(calls(async () => (await import('./schema.js')).schema))

  program
    .command('doctor [file]')
    .description('say what this machine lacks, for every port kind or for a configuration')
    .option('--json', 'print a JSON object')
    .action(calls(async () => (await import('./doctor.js')).doctor))

  asksAnEngine(program.command('status'))
    .description('show what a running engine does')
    .option('--json', 'print a JSON object')
    .action(calls(async () => (await import('./status.js')).status))

  asksAnEngine(program.command('flows'))
    .description('list the flows of a running engine')
    .option('--json', 'print a JSON array')
    .action(calls(async () => (await import('./flows.js')).flows))

  asksAnEngine(program.command('reload'))
    .description(
      'have a running engine read its file again; the old one stays in force on any error',
    )
    .option('--json', 'print a JSON object')
    .action(calls(async () => (await import('./reload.js')).reload))

  asksAnEngine(program.command('pools'))
    .description('list the nodes of each pool, with their states')
    .option('--json', 'print a JSON array')
    .action(calls(async () => (await import('./pools.js')).pools))

  asksAnEngine(program.command('drain [target]'))
    .description('no new flows for a node ([POOL/]ADDRESS:PORT), a virtual server, or the engine')
    .option('--process', 'the whole engine, which ends with its last flow')
    .option('--timeout <seconds>', 'with --process: end after so long at the latest', seconds)
    .option('--maintenance', 'a node that is not checked meanwhile, either')
    .option('--undo', 'take new flows again')
    .option('--json', 'print a JSON object')
    .hook('preAction', (self) => {
      const targets = self.args.length + (self.opts().process ? 1 : 0)
      if (targets !== 1) self.error('error: name a target, or --process')
    })
    .action(calls(async () => (await import('./drain.js')).drain))

  asksAnEngine(program.command('top'))
    .description('show what each virtual server does by the second, until SIGINT')
    .option('--interval <seconds>', 'how often', seconds, 2)
    .option('--once', 'once, and be done')
    .option('--json', 'print a JSON object for each look')
    .action(calls(async () => (await import('./top.js')).top))

  asksAnEngine(program.command('capture'))
    .description('write the packets that pass a running engine to a file in the pcapng format')
    .requiredOption('-w, --write <path>', 'the file, or - for standard output')
    .option('--port <name>', 'of one port of the engine')
    .option('--client <address>', 'from and to this address, on both sides of the engine')
    .option('--virtual-server <name>', 'from and to the endpoint of a virtual server')
    .option('--count <packets>', 'end after so many', whole(1, Number.MAX_SAFE_INTEGER))
    .option('--snap-length <bytes>', 'keep so much of each packet', whole(14, 65_557))
    .option('--json', 'print a JSON object in the end')
    .action(calls(async () => (await import('./capture.js')).capture))

  program
    .command('completion')
    .description('print a completion script: source <(sluice completion bash)')
    .addArgument(new Argument('<shell>', 'for which shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell) => {
      const { completionScript } = await import('./completion.js')
      context.terminal.print(completionScript(program, shell))
    })

  program
    .command('demo')
    .description('show the engine at work in a private laboratory on this machine')
    .option('--tap', 'lay the laboratory over TAP devices instead of AF_PACKET')
    .option('--keep', 'stay up for exploring, until SIGINT')
    .option('--json', 'print a JSON object')
    .action(calls(async () => (await import('./demo.js')).demo))

  return program
}

function seconds(given: string): number {
  const value = Number(given)
  if (given.trim() === '' || !(value >= 0.1 && value <= 604_800)) {
    throw new InvalidArgumentError('It is not a number of seconds from 0.1 to 604800.')
  }
  return value
}

const whole = (least: number, most: number) => (given: string) => {
  const value = Number(given)
  if (given.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
    throw new InvalidArgumentError(`It is not a whole number from ${least} to ${most}.`)
  }
  return value
}

function version(): string {
  return createRequire(import.meta.url)('../../package.json').version
}
