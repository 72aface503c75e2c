"""Raw application to feature vector: the one implementation that training and serving share."""
