/**
 * Sees when files change. Their folders are watched, since an editor puts a new file in the place of the
 * old one, and the folders above, one of which may be replaced or be a link that is moved.
 */
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

export class FileWatch implements Disposable {
  #watchers: FSWatcher[] = []

  constructor(
    private readonly changed: () => void,
    /** Called with the reason why some changes may go by without a call of `changed`. */
    private readonly failed: (error: unknown) => void,
  ) {}

  /**
   * Watches these files, absolute paths, and no others any more. A folder that was replaced is another
   * one under the same name: call it again after each change.
   */
  follow(files: readonly string[]): void {
    const before = this.#watchers
    const problems: unknown[] = []
    const attempts = [...entriesOf(files)].map(([folder, names]) => {
      try {
        return [this.#watch(folder, names)]
      } catch (error) {
        if (matters(error, folder, files)) problems.push(error)
        return []
      }
    })
    this.#watchers = attempts.flat()
    for (const watcher of before) watcher.close()
    if (problems.length > 0) this.failed(problems[0])
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
  }

  #watch(folder: string, names: ReadonlySet<string>): FSWatcher {
    const watcher = watch(folder, (_, name) => {
      if (name === null || names.has(name)) this.changed()
    })
    return watcher.on('error', this.failed)
  }
}

/** For each folder on the way to a file the names of interest in it. */
function entriesOf(files: readonly string[]): Map<string, Set<string>> {
  const entries = new Map<string, Set<string>>()
  for (const file of files) {
    for (let path = file; path !== dirname(path); path = dirname(path)) {
      const names = entries.get(dirname(path)) ?? new Set()
      entries.set(dirname(path), names.add(basename(path)))
    }
  }
  return entries
}

/**
 * A folder that is gone is seen to come back by the one above. One above that may be passed through
 * and not be read is seldom replaced.
 */
function matters(error: unknown, folder: string, files: readonly string[]): boolean {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') return false
  return code !== 'EACCES' || files.some((file) => dirname(file) === folder)
}
