package cli

import "github.com/haulout/haulout/cluster"

// sizeText is a number of bytes as the tables show it: 14.21GB, 2MB, 0KB.
func sizeText(bytes int64) string { return cluster.Size(bytes, 2) }

// roughSize is a number of bytes as progress shows it: 112.4MB.
func roughSize(bytes int64) string { return cluster.Size(bytes, 1) }
