// Installs the packages of a lock file into $OUTPUT. This is the program of a task that nodeEnv() describes: it lies beside
// package.json and the lock file, is hashed with them, and knows nothing of who runs it. Needs npm on PATH.
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");

const output = process.env.OUTPUT;
const wanted = process.argv.find((word) => word.startsWith("--platform="))?.slice("--platform=".length);
const flags = process.argv.slice(2).filter((word) => !word.startsWith("--platform="));

/** As `uname` says it: linux-x86_64, darwin-arm64; with -musl where the C library is that. */
function thisPlatform() {
  let libc = "";
  if (process.platform === "linux") {
    process.report.excludeNetwork = true;
    if (process.report.getReport().header.glibcVersionRuntime === undefined) libc = "-musl";
  }
  return `${os.type().toLowerCase()}-${os.machine()}${libc}`;
}

function giveUp(message) {
  console.error(`nodeEnv: ${message}`);
  process.exit(1);
}

/** Whether a file is a program or library of one system: ELF, or either form of Mach-O. */
function isNative(file) {
  const fd = fs.openSync(file, "r");
  try {
    const magic = Buffer.alloc(4);
    fs.readSync(fd, magic, 0, 4, 0);
    return ["7f454c46", "cffaedfe", "cefaedfe", "cafebabe"].includes(magic.toString("hex"));
  } finally {
    fs.closeSync(fd);
  }
}

function holdsNative(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const place = path.join(folder, entry.name);
    if (
      entry.isDirectory()
        ? holdsNative(place)
        : entry.isFile() && mayBeNative(entry.name, place) && isNative(place)
    )
      return true;
  }
  return false;
}

function mayBeNative(name, place) {
  return /\.(node|so|dylib)$|\.so\./.test(name) || (fs.statSync(place).mode & 0o100) !== 0;
}

const platform = thisPlatform();
if (wanted !== undefined && wanted !== platform)
  giveUp(`this environment is for ${wanted}, and this machine is ${platform}. Install it on such a machine.`);

const given = ["package.json", "package-lock.json", "npm-shrinkwrap.json"].filter((name) =>
  fs.existsSync(name),
);
for (const name of given) fs.copyFileSync(name, path.join(output, name));
const env = { ...process.env };
try {
  fs.accessSync(env.HOME, fs.constants.W_OK);
} catch {
  env.HOME = env.TMPDIR ?? os.tmpdir(); // npm keeps what it fetched below HOME, and fails where it cannot
}
const fixed = ["--no-audit", "--no-fund", "--no-update-notifier", "--no-progress", "--prefer-offline"];
// A registry that cannot be reached is told of within seconds: whoever wants more patience has the option `retries`.
env.npm_config_fetch_retries ??= "2";
env.npm_config_fetch_retry_mintimeout ??= "1000";
env.npm_config_fetch_retry_maxtimeout ??= "5000";
const npm = spawn("npm", ["ci", ...fixed, ...flags], { cwd: output, env, stdio: ["ignore", "pipe", "pipe"] });
/** What npm says of its failure, kept back: one line tells more where that is enough. */
let errors = "";
for (const stream of [npm.stdout, npm.stderr]) {
  readline.createInterface({ input: stream }).on("line", (line) => {
    if (/^npm (error|ERR!)/.test(line)) errors += `${line}\n`;
    else console.error(line);
  });
}
npm.on("error", (error) => {
  if (error.code === "ENOENT") giveUp(`there is no npm on PATH=${env.PATH}`);
  giveUp(`npm could not be started: ${error.message}`);
});
npm.on("close", (code) => {
  if (code !== 0) {
    const offline =
      /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT)\b/;
    const why = offline.exec(errors)?.[1];
    if (why !== undefined)
      giveUp(
        `the packages could not be fetched: the registry of npm's configuration cannot be reached (${why}).`,
      );
    process.stderr.write(errors);
    if (/\bEINTEGRITY\b/.test(errors))
      giveUp("a package is not the one that is locked: its integrity differs.");
    giveUp(`npm ci failed (exit ${code}).`);
  }
  for (const name of given) fs.rmSync(path.join(output, name));
  fs.mkdirSync(path.join(output, "node_modules"), { recursive: true });
  fs.rmSync(path.join(output, "node_modules/.package-lock.json"), { force: true }); // says which registry was asked
  const environment = {
    variables: { PATH: ["node_modules/.bin"], NODE_PATH: ["node_modules"] },
    links: { node_modules: "node_modules" },
    ...(holdsNative(path.join(output, "node_modules")) ? { platform } : {}),
  };
  fs.writeFileSync(path.join(output, "alamode-env.json"), `${JSON.stringify(environment, null, 2)}\n`);
});
