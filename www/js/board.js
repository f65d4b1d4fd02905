// The quest board as the Tavern tells it.
import { useResource } from "./resources.js";

export const BOARD = "/api/quests?limit=50";
export const BOARD_FILES = ["queue", "inbox", "history/trainer.jsonl", "history/queue-watcher.jsonl"];
export const useBoard = () => useResource(BOARD, BOARD_FILES);
