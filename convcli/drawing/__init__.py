"""Pictures of numbers: colour maps, scales, text, tiles, and sheets of tiles. Imported when something is drawn."""
