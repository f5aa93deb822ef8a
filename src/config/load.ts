/**
 * Loads a configuration file: .ts, .js, .mjs, .json. esbuild bundles it with everything that it imports,
 * once per revision, so that a revision is one text with one hash and an exact list of files.
 */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { access, constants, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { BuildFailure, Message, OutputFile, Plugin } from 'esbuild'
import { type ConfigIssue, configError, type SluiceError } from '../errors.js'
import { resolveConfig } from './resolve.js'
import type { ResolvedConfig } from './resolved.js'

export interface LoadedConfig {
  readonly config: ResolvedConfig
  /** Short hash of the configuration with all its imports. */
  readonly revision: string
  /** Absolute paths of every file that it is made of, to watch. */
  readonly files: readonly string[]
}

/** What was read and compiled, and not run yet. */
export interface CompiledConfig extends Omit<LoadedConfig, 'config'> {
  /**
   * Runs it, its top level included, and checks what it exports.
   * @throws {SluiceError} `ERR_SLUICE_CONFIG`: it throws, waits for more than ten seconds, exports no
   * configuration, or has a wrong one
   */
  run(): Promise<ResolvedConfig>
}

/** How long the top level of a configuration may wait for something. */
const patienceMs = 10_000

interface Bundle {
  readonly code: string
  readonly files: readonly string[]
}

const ownIndex = new URL(
  `../index${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
)

/** `import 'sluice'` is this very package, whatever the folder of the configuration has. */
const ownPackage: Plugin = {
  name: 'sluice',
  setup(build) {
    build.onResolve({ filter: /^sluice$/ }, () => ({ path: ownIndex.href, external: true }))
  },
}

function issueOf({ text, location }: Message, path: string): ConfigIssue {
  const file = location ? resolve(dirname(path), location.file) : path
  const key = location ? `${file}:${location.line}:${location.column + 1}` : file
  return { key, problem: `does not compile: ${text}`, remedy: 'correct it there' }
}

type FileProblem = Pick<ConfigIssue, 'problem' | 'remedy'>

const absent: FileProblem = { problem: 'does not exist', remedy: 'correct the path, or write it' }
const unreadable: FileProblem = {
  problem: 'may not be read',
  remedy: 'allow this user to read the file and to enter its folders',
}
const problemsOfFiles: Readonly<Record<string, FileProblem>> = {
  ENOENT: absent,
  ENOTDIR: absent,
  EACCES: unreadable,
  EPERM: unreadable,
}

/** Why there is nothing to compile; undefined where there is a file. */
async function problemOfFile(path: string): Promise<FileProblem | undefined> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) {
      return { problem: 'is a folder', remedy: 'name the configuration file in it' }
    }
    await access(path, constants.R_OK)
    return undefined
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code)
    return (
      problemsOfFiles[code] ?? { problem: `cannot be read: ${code}`, remedy: 'correct its path' }
    )
  }
}

const isBuildFailure = (error: unknown): error is BuildFailure =>
  error instanceof Error && Array.isArray((error as Partial<BuildFailure>).errors)

/** esbuild leaves a process behind, which would go on with the rights that this one gives up. */
let builds = 0

async function bundle(path: string): Promise<Bundle> {
  const { stop } = await import('esbuild')
  builds++
  try {
    return await buildBundle(path)
  } finally {
    if (--builds === 0) await stop()
  }
}

async function buildBundle(path: string): Promise<Bundle> {
  const { build } = await import('esbuild')
  const folder = dirname(path)
  const here = pathToFileURL(path).href
  const result = await build({
    entryPoints: [path],
    absWorkingDir: folder,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: `node${process.versions.node}`,
    sourcemap: 'inline',
    // Without it the map would name files relative to the temporary folder.
    sourceRoot: pathToFileURL(`${folder}/`).href,
    outfile: join(folder, 'config.mjs'),
    define: {
      'import.meta.url': JSON.stringify(here),
      'import.meta.filename': JSON.stringify(path),
      'import.meta.dirname': JSON.stringify(folder),
    },
    // CommonJS packages in the bundle require Node's own modules.
    banner: {
      js: `import { createRequire as __sluiceCreateRequire } from 'node:module'; const require = __sluiceCreateRequire(${JSON.stringify(here)});`,
    },
    plugins: [ownPackage],
    logLevel: 'silent',
  })
  const [output] = result.outputFiles as [OutputFile]
  const files = Object.keys(result.metafile.inputs).map((file) => resolve(folder, file))
  return { code: output.text, files }
}

/** A short hash of what was written, wherever it stands. */
async function revisionOf(files: readonly string[], folder: string): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${relative(folder, file)}\0`).update(await readFile(file))
  return hash.digest('hex').slice(0, 12)
}

/** Imports a module from its text and leaves no file behind. */
async function importText(code: string, revision: string): Promise<{ default?: unknown }> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-config-'))
  const file = join(folder, `${revision}.mjs`)
  // Also where the process is to end while the module still waits for something.
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    await writeFile(file, code)
    return await inTime(() => import(/* @vite-ignore */ pathToFileURL(file).href))
  } finally {
    process.off('exit', remove)
    remove()
  }
}

/** An import cannot be called off: one that is late goes on, and nobody looks at it any more. */
async function inTime<T>(begin: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError()), patienceMs)
  })
  try {
    return await Promise.race([begin(), late])
  } finally {
    clearTimeout(timer)
  }
}

class LateError extends Error {}

/** A configuration file, as those who are told of its problems know it. */
class ConfigFile {
  readonly file: string
  readonly #subject: string

  constructor(path: string | URL) {
    this.file = resolve(path instanceof URL ? fileURLToPath(path) : path)
    this.#subject = relative(process.cwd(), this.file) || basename(this.file)
  }

  async compile(): Promise<CompiledConfig> {
    const { file } = this
    const unusable = await problemOfFile(file)
    if (unusable) throw this.#failure(unusable)
    const { code, files } = await bundle(file).catch((error: unknown) => {
      if (!isBuildFailure(error)) throw error
      const issues = error.errors.map((message) => issueOf(message, file))
      throw configError(this.#subject, issues, error)
    })
    const revision = await revisionOf(files, dirname(file))
    return { revision, files, run: () => this.#run(code, revision) }
  }

  async #run(code: string, revision: string): Promise<ResolvedConfig> {
    const module = await importText(code, revision).catch((error: unknown) => {
      throw this.#failure(problemOfRun(error), error)
    })
    if (module.default === undefined) throw this.#failure(empty)
    return resolveConfig(module.default, this.#subject)
  }

  #failure(found: FileProblem, cause?: unknown): SluiceError {
    return configError(this.#subject, [{ key: this.file, ...found }], cause)
  }
}

const empty: FileProblem = {
  problem: 'has no default export',
  remedy: 'write: export default defineConfig({ ... })',
}

function problemOfRun(error: unknown): FileProblem {
  if (error instanceof LateError) {
    return {
      problem: `does not come to an end: after ${patienceMs / 1000} s its top level still waits`,
      remedy: 'let what it awaits there have a limit, such as AbortSignal.timeout()',
    }
  }
  const text = error instanceof Error ? error.message : String(error)
  return { problem: `throws when it is run: ${text}`, remedy: 'correct what it does at top level' }
}

/**
 * Reads and compiles a configuration file, and runs nothing of it.
 * @throws {SluiceError} `ERR_SLUICE_CONFIG`: there is no such file, or it does not compile (the issue's key
 * is 'file:line:column')
 */
export function compileConfigFile(path: string | URL): Promise<CompiledConfig> {
  return new ConfigFile(path).compile()
}

/**
 * Reads, compiles, runs and checks a configuration file.
 * @throws {SluiceError} `ERR_SLUICE_CONFIG`, as `compileConfigFile` and `CompiledConfig.run` do
 */
export async function loadConfigFile(path: string | URL): Promise<LoadedConfig> {
  const { revision, files, run } = await compileConfigFile(path)
  return { config: await run(), revision, files }
}
