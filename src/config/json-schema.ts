/** The schema of a configuration as JSON Schema, for editors: made of the schema that reads it. */
import { z } from 'zod'
import { type JsonForm, writtenForms } from './readers.js'
import { schema } from './schema.js'

/** Draft 2020-12. What concerns several values at once it does not say; `sluice check` does. */
export function configurationSchema(): object {
  return { title: 'Configuration of Sluice', ...toJson(schema) }
}

function toJson(type: z.ZodType): JsonForm {
  return z.toJSONSchema(type, {
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      const type = zodSchema as unknown as z.ZodType
      restoreDefault(type, jsonSchema)
      const written = writtenForms.get(type)
      if (!written) return
      const { $schema: _, ...form } = toJson(written)
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key]
      Object.assign(jsonSchema, form)
    },
  })
}

/** Zod leaves out the default of what is transformed: ours look the same before that. */
function restoreDefault(type: z.ZodType, json: JsonForm): void {
  if (!(type instanceof z.ZodDefault)) return
  const usual = (type.unwrap() as z.ZodType).meta()?.default
  if (usual !== undefined) json.default = usual
}
