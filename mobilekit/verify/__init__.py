"""Does a file compute what the network computes?"""
