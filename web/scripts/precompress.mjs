// Writes a .br and a .gz beside each built file that gets smaller by it, for the service to send.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const built = fileURLToPath(new URL("../../app/static", import.meta.url));
const worthIt = /\.(html|js|css|svg|json|ttf|md)$/;

const files = (await readdir(built, { recursive: true, withFileTypes: true })).filter(
  (entry) => entry.isFile() && worthIt.test(entry.name),
);

await Promise.all(
  files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path);
    const siblings = {
      br: promisify(brotliCompress)(content, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
          [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
        },
      }),
      gz: promisify(gzip)(content, { level: constants.Z_BEST_COMPRESSION }),
    };
    for (const [extension, compressing] of Object.entries(siblings)) {
      const compressed = await compressing;
      if (compressed.length < content.length) {
        await writeFile(`${path}.${extension}`, compressed);
      }
    }
  }),
);
