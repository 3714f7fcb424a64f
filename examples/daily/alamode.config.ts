import type { Settings } from "a-la-mode";

const settings: Settings = { pools: { rates: 2 } };
export default settings;
