/**
 * Loads a configuration file: .ts, .js, .mjs, .json. esbuild bundles it with everything that it imports,
 * once per revision, so that a revision is one text with one hash and an exact list of files.
 */
import { createHash } from 'node:crypto'
import { access, constants, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { BuildFailure, Message, OutputFile, Plugin } from 'esbuild'
import { type ConfigIssue, configError } from '../errors.js'
import { resolveConfig } from './resolve.js'
import type { ResolvedConfig } from './resolved.js'

export interface LoadedConfig {
  readonly config: ResolvedConfig
  /** Short hash of the configuration with all its imports. */
  readonly revision: string
  /** Absolute paths of every file that it is made of, to watch. */
  readonly files: readonly string[]
}

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
  try {
    await writeFile(file, code)
    return await import(/* @vite-ignore */ pathToFileURL(file).href)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Reads, compiles, runs and checks a configuration file.
 * @throws {SluiceError} `ERR_SLUICE_CONFIG`: there is no such file, it does not compile (the issue's key is
 * 'file:line:column'), throws, exports no configuration, or has a wrong one.
 */
export async function loadConfigFile(path: string | URL): Promise<LoadedConfig> {
  const file = resolve(path instanceof URL ? fileURLToPath(path) : path)
  const subject = relative(process.cwd(), file) || basename(file)
  const failure = (problem: string, remedy: string, cause?: unknown) =>
    configError(subject, [{ key: file, problem, remedy }], cause)

  const unusable = await problemOfFile(file)
  if (unusable) throw failure(unusable.problem, unusable.remedy)
  const { code, files } = await bundle(file).catch((error: unknown) => {
    if (!isBuildFailure(error)) throw error
    throw configError(
      subject,
      error.errors.map((message) => issueOf(message, file)),
      error,
    )
  })
  const revision = await revisionOf(files, dirname(file))
  const module = await importText(code, revision).catch((error: unknown) => {
    const text = error instanceof Error ? error.message : String(error)
    throw failure(`throws when it is run: ${text}`, 'correct what it does at top level', error)
  })
  if (module.default === undefined) {
    throw failure('has no default export', 'write: export default defineConfig({ ... })')
  }
  return { config: resolveConfig(module.default, subject), revision, files }
}
