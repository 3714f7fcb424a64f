// Blurs each photograph. $SIGMA is the strength, in pixels of the photograph.
import { developAll, sharp, variable } from "./photographs.mts";

const sigma = Number(variable("SIGMA"));

await developAll((photograph) => sharp(photograph).blur(sigma).jpeg({ quality: 92 }).toBuffer());
