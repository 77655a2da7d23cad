// Package deploy serves applications side by side from one configuration file in the style of Paste Deploy.
package deploy
