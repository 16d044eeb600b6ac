/** `npm run vectors`: writes proto/vectors anew, from the real machines. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { VECTOR_FILES, VECTORS_DIRECTORY, vectorText } from './vector-files.ts';

mkdirSync(VECTORS_DIRECTORY, { recursive: true });
for (const [name, content] of VECTOR_FILES) {
  writeFileSync(path.join(VECTORS_DIRECTORY, name), vectorText(content()));
}
