package core

// DecodeAs lets tests compare the short way of decoding with the long one.
func DecodeAs[T any](c Codec, data string) (T, error) { return decodeAs[T](c, data) }
