"""The cluster's document: configuration and status in Pacemaker's XML, versions, typed changes.

A change is a value; applying it is a function from document to document, the same on every member.
"""
